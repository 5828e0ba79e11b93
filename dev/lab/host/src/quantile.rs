//! Quantiles of measurements.

/// What lies at `part` (0 to 1) of some measurements, which are sorted and not none: the nearest of them.
pub fn quantile(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

/// The median of measurements, which are not none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    quantile(&values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::{median, quantile};

    #[test]
    fn quantiles_are_measurements() {
        let sorted: Vec<f64> = (0..=100).map(f64::from).collect();
        for (part, expected) in [
            (0.0, 0.0),
            (0.25, 25.0),
            (0.5, 50.0),
            (0.994, 99.0),
            (1.0, 100.0),
        ] {
            assert_eq!(quantile(&sorted, part), expected);
        }
        assert_eq!(quantile(&[7.0], 0.99), 7.0);
    }

    #[test]
    fn a_median_ignores_order_and_an_outlier() {
        assert_eq!(median(vec![3.0, 1e9, 1.0]), 3.0);
    }
}
