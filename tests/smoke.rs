use pageslab::*;
#[test]
fn smoke() {
    let mut h = PageSlab::new(ReservedMemory::new(65536));
    let mut seed = 1u64;
    let mut rnd = move |n: u32| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 33) as u32 % n
    };
    let mut live: Vec<(u32, u32, u8)> = vec![];
    for round in 0..60000u32 {
        let grow = (round / 5000) % 2 == 0;
        if live.is_empty() || rnd(10) < if grow { 6 } else { 3 } {
            let len = match rnd(4) {
                0 => rnd(64),
                1 => rnd(2500),
                2 => rnd(20000),
                _ => rnd(200000),
            };
            let align = 1 << rnd(17);
            let p = if rnd(4) == 0 {
                let p = h.alloc_aligned(len, align).unwrap();
                assert_eq!(p % align, 0);
                p
            } else {
                h.alloc(len).unwrap()
            };
            assert_eq!(p % 16, 0);
            let b = rnd(256) as u8;
            let m = h.mut_mem(p, len);
            let n = m.len().min(64);
            m[..n].fill(b);
            live.push((p, len, b));
        } else if rnd(3) == 0 {
            let i = rnd(live.len() as u32) as usize;
            let (p, len, b) = live[i];
            let new = rnd(5000);
            let q = h.realloc(p, len, new).unwrap();
            let m = h.mut_mem(q, new);
            assert!(m.iter().take(64.min(len as usize)).all(|&x| x == b));
            m.iter_mut().take(64).for_each(|x| *x = b);
            live[i] = (q, new, b);
        } else {
            let i = rnd(live.len() as u32) as usize;
            let (p, len, b) = live.swap_remove(i);
            assert!(h.mut_mem(p, len).iter().take(64).all(|&x| x == b));
            assert!(h.free(p, len + 1).is_err());
            assert!(h.free(p + 1, len).is_err());
            h.free(p, len).unwrap();
            assert!(h.free(p, len).is_err());
        }
        if round % 64 == 0 {
            h.check_invariants();
            assert_eq!(h.live().count(), live.len());
        }
    }
    println!("{} pages", h.pages());
    for (p, len, _) in live {
        h.free(p, len).unwrap();
    }
    h.check_invariants();
}
