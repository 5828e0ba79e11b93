//! The live view in the terminal.
//!
//! The guest runs in a thread of its own, and sends its samples and its output. It waits while the view is paused: [`Gate`].

use crate::map::{Cell, pages};
use crate::output::Output;
use crate::run::{self, Command, End, Host, Run, Sample};
use crate::text;
use anyhow::Result;
use pageslab_snapshot::{ClassSummary, Snapshot};
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, Paragraph, Row, Table};
use std::collections::VecDeque;
use std::io::{self, IsTerminal as _, Write};
use std::ops::ControlFlow;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How long keys are waited for before the view is drawn anew.
const FRAME_TIME: Duration = Duration::from_millis(50);

/// How long a guest that is to stop is waited for: one that waits for its host does not notice.
const PATIENCE: Duration = Duration::from_secs(1);

/// Points of the chart. When there are more, every second one goes.
const MAX_POINTS: usize = 1024;

/// Lines of output that are kept, and messages that wait for the view.
const MAX_LINES: usize = 1000;

/// What the guest may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Run,
    Pause,
    /// Until the next sample.
    Step,
    Quit,
}

/// Where the guest waits.
#[derive(Clone)]
struct Gate(Arc<(Mutex<Mode>, Condvar)>);

impl Gate {
    fn set(&self, mode: Mode) {
        let (lock, changed) = &*self.0;
        *lock.lock().unwrap_or_else(PoisonError::into_inner) = mode;
        changed.notify_all();
    }

    /// Waits while the mode is to pause.
    fn pass(&self) -> ControlFlow<()> {
        let (lock, changed) = &*self.0;
        let mode = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_while(mode, |mode| *mode == Mode::Pause);
        let mut mode = waited.unwrap_or_else(PoisonError::into_inner);
        match *mode {
            Mode::Quit => return ControlFlow::Break(()),
            Mode::Step => *mode = Mode::Pause,
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// What the guest's thread sends.
enum Message {
    Sample(Sample),
    Output(Vec<u8>),
    End(Box<Result<Run>>),
}

/// A guest's output, on its way to the view.
struct Sent(SyncSender<Message>);

impl Write for Sent {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // If nobody looks any more, nobody misses it.
        let _ = self.0.send(Message::Output(bytes.to_vec()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether there is a terminal for the view.
pub fn has_terminal() -> bool {
    io::stdout().is_terminal() && io::stderr().is_terminal()
}

/// Runs a guest under the view, until the user quits. Returns what became of it, and its lines about misuse.
pub fn run(command: &Command, interval: Duration) -> Result<(Run, Vec<String>)> {
    let gate = Gate(Arc::new((Mutex::new(Mode::Run), Condvar::new())));
    let (sender, messages) = mpsc::sync_channel(MAX_LINES);
    let stderr = Output::to(Sent(sender.clone()));
    let host = Host {
        // The keys are the view's.
        has_input: !io::stdin().is_terminal(),
        stdout: Output::to(Sent(sender.clone())),
        stderr: stderr.clone(),
        interval,
        watch: {
            let (gate, sender) = (gate.clone(), sender.clone());
            Box::new(move |sample| {
                let _ = sender.send(Message::Sample(sample));
                gate.pass()
            })
        },
    };
    let mut view = View::new(command.name());
    let command = command.clone();
    thread::spawn(move || {
        let run = run::run(&command, host);
        let _ = sender.send(Message::End(Box::new(run)));
    });

    let mut terminal = ratatui::init();
    let done = watch(&mut view, &mut terminal, &gate, &messages);
    ratatui::restore();
    for line in view.output.iter().chain([&view.part]) {
        println!("{line}");
    }
    Ok((done?, stderr.misuse()))
}

/// Draws and listens until the user quits.
fn watch(
    view: &mut View,
    terminal: &mut ratatui::DefaultTerminal,
    gate: &Gate,
    messages: &Receiver<Message>,
) -> Result<Run> {
    let mut end = None;
    loop {
        // No more than there can be at once: a guest may say more in the meantime.
        for message in messages.try_iter().take(MAX_LINES) {
            if let Some(run) = view.take(message) {
                // A guest that cannot run is no sight.
                end = Some(run?);
            }
        }
        terminal.draw(|frame| view.draw(frame))?;
        if !event::poll(FRAME_TIME)? {
            continue;
        }
        if let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
            && let Some(mode) = view.key(key.code)
        {
            gate.set(mode);
            if mode == Mode::Quit {
                break;
            }
        }
    }
    while end.is_none() {
        match messages.recv_timeout(PATIENCE) {
            Ok(message) => end = view.take(message).transpose()?,
            Err(_) => return Ok(view.stopped()),
        }
    }
    Ok(end.unwrap_or_else(|| view.stopped()))
}

/// By what the classes are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Bytes,
    Blocks,
    Length,
}

/// What is seen.
struct View {
    guest: String,
    mode: Mode,
    state: String,
    sample: Option<Sample>,
    /// Seconds, live bytes, bytes of memory.
    points: Vec<(f64, f64, f64)>,
    output: VecDeque<String>,
    /// The line that has no end yet.
    part: String,
    /// The page that is pointed to, by its place among the heap's, and whether it is seen alone.
    selected: usize,
    is_zoomed: bool,
    sort: Sort,
}

impl View {
    fn new(guest: &str) -> Self {
        Self {
            guest: guest.to_owned(),
            mode: Mode::Run,
            state: "runs".to_owned(),
            sample: None,
            points: Vec::new(),
            output: VecDeque::new(),
            part: String::new(),
            selected: 0,
            is_zoomed: false,
            sort: Sort::Bytes,
        }
    }

    /// Takes in what the guest's thread sent. Returns the run if that is its end.
    fn take(&mut self, message: Message) -> Option<Result<Run>> {
        match message {
            Message::Sample(sample) => self.sample(sample),
            Message::Output(bytes) => self.output(&bytes),
            Message::End(run) => {
                if let Ok(run) = &*run {
                    self.state = match &run.end {
                        End::Exit(code) => format!("ended with {code}"),
                        End::Trap(trap) => {
                            let why = trap.lines().next().unwrap_or_default();
                            format!("trapped: {why}")
                        }
                        End::Stopped => "stopped".to_owned(),
                    };
                    if let Ok(snapshot) = run.snapshot.clone() {
                        let time = run.time;
                        self.sample(Sample { time, snapshot });
                    }
                }
                return Some(*run);
            }
        }
        None
    }

    fn sample(&mut self, sample: Sample) {
        let live = sample.snapshot.summary().live_bytes as f64;
        let memory = f64::from(sample.snapshot.memory_pages) * 65536.0;
        self.points.push((sample.time.as_secs_f64(), live, memory));
        if self.points.len() > MAX_POINTS {
            let mut number = 0;
            self.points.retain(|_| {
                number += 1;
                number % 2 == 1
            });
        }
        self.sample = Some(sample);
    }

    fn output(&mut self, bytes: &[u8]) {
        for character in String::from_utf8_lossy(bytes).chars() {
            if character == '\n' {
                self.output.push_back(std::mem::take(&mut self.part));
            } else if !character.is_control() {
                self.part.push(character);
            }
        }
        let surplus = self.output.len().saturating_sub(MAX_LINES);
        self.output.drain(..surplus);
    }

    /// A run that did not end when it should have.
    fn stopped(&self) -> Run {
        let sample = self.sample.clone();
        Run {
            end: End::Stopped,
            time: sample.as_ref().map_or(Duration::ZERO, |sample| sample.time),
            snapshot: sample
                .map(|sample| sample.snapshot)
                .ok_or(pageslab_snapshot::Error::NoSnapshot),
            epochs: 0,
            last_growth: 0,
        }
    }

    /// Does what a key says. Returns what the guest may do from now on, if that is what it says.
    fn key(&mut self, key: KeyCode) -> Option<Mode> {
        let mode = match (key, self.mode) {
            (KeyCode::Char('q'), _) => Mode::Quit,
            (KeyCode::Char(' '), Mode::Run) => Mode::Pause,
            (KeyCode::Char(' '), _) => Mode::Run,
            (KeyCode::Char('s'), _) => {
                self.mode = Mode::Pause;
                return Some(Mode::Step);
            }
            _ => {
                match key {
                    KeyCode::Char('z') | KeyCode::Enter => self.is_zoomed = !self.is_zoomed,
                    KeyCode::Esc => self.is_zoomed = false,
                    KeyCode::Left | KeyCode::Up => self.selected = self.selected.saturating_sub(1),
                    KeyCode::Right | KeyCode::Down => self.selected += 1,
                    KeyCode::Char('o') => {
                        self.sort = match self.sort {
                            Sort::Bytes => Sort::Blocks,
                            Sort::Blocks => Sort::Length,
                            Sort::Length => Sort::Bytes,
                        }
                    }
                    _ => {}
                }
                let last = self
                    .sample
                    .as_ref()
                    .map_or(0, |sample| pages(&sample.snapshot).len().saturating_sub(1));
                self.selected = self.selected.min(last);
                return None;
            }
        };
        self.mode = mode;
        Some(mode)
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let rows = [
            Constraint::Length(1),
            Constraint::Fill(3),
            Constraint::Fill(1),
            Constraint::Length(2),
        ];
        let [head, middle, output, foot] = Layout::vertical(rows).areas(frame.area());
        let [left, right] = Layout::horizontal([Constraint::Fill(1); 2]).areas(middle);
        let [chart, classes] = Layout::vertical([Constraint::Fill(1); 2]).areas(right);
        let state = match self.mode {
            Mode::Pause if self.state == "runs" => "paused",
            _ => &self.state,
        };
        frame.render_widget(format!("{}: {state}", self.guest), head);
        self.draw_output(frame, output);
        self.draw_foot(frame, foot);
        if let Some(Sample { time, snapshot }) = &self.sample {
            self.draw_map(frame, left, snapshot);
            self.draw_chart(frame, chart, *time, snapshot);
            self.draw_classes(frame, classes, snapshot);
        }
    }

    fn draw_map(&self, frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot) {
        let pages = pages(snapshot);
        let page = pages.get(self.selected).filter(|_| self.is_zoomed);
        let title = match page {
            Some(page) => format!("page {}, its frames of 1 KiB", page.number),
            None => format!("{} pages of 64 KiB", pages.len()),
        };
        let block = Block::bordered().title(title);
        let inside = block.inner(area);
        let lines: Vec<_> = match page {
            Some(page) => page.frames.chunks(8).map(zoomed_row).collect(),
            None => {
                let width = usize::from(inside.width).max(1);
                let height = usize::from(inside.height);
                // The rows that end with the selected page's, if it would not be seen otherwise.
                let first = (self.selected / width + 1).saturating_sub(height);
                let seen = pages.iter().enumerate().skip(first * width);
                let cells: Vec<_> = seen
                    .take(width * height)
                    .map(|(place, page)| {
                        let style = style(page.main());
                        if place == self.selected {
                            Span::styled("▣", style.add_modifier(Modifier::BOLD))
                        } else {
                            Span::styled("■", style)
                        }
                    })
                    .collect();
                let rows = cells.chunks(width);
                rows.map(|row| Line::from(row.to_vec())).collect()
            }
        };
        frame.render_widget(Paragraph::new(lines).block(block), area);
    }

    fn draw_chart(&self, frame: &mut Frame<'_>, area: Rect, time: Duration, snapshot: &Snapshot) {
        let live: Vec<_> = self
            .points
            .iter()
            .map(|&(at, live, _)| (at, live))
            .collect();
        let memory: Vec<_> = self.points.iter().map(|&(at, _, all)| (at, all)).collect();
        let most = f64::from(snapshot.memory_pages) * 65536.0;
        let last = time.as_secs_f64().max(0.1);
        let dataset = |name: String, colour, data| {
            Dataset::default()
                .name(name)
                .marker(Marker::Braille)
                .graph_type(GraphType::Line)
                .style(Style::new().fg(colour))
                .data(data)
        };
        let live_bytes = text::bytes(snapshot.summary().live_bytes);
        let all_bytes = text::bytes(most as u64);
        let chart = Chart::new(vec![
            dataset(format!("memory {all_bytes}"), Color::Blue, &memory),
            dataset(format!("live {live_bytes}"), Color::Green, &live),
        ])
        .block(Block::bordered().title(format!("live {live_bytes}, memory {all_bytes}")))
        .x_axis(
            Axis::default()
                .bounds([0.0, last])
                .labels(["0 s".to_owned(), format!("{last:.1} s")]),
        )
        .y_axis(
            Axis::default()
                .bounds([0.0, most * 1.1])
                .labels(["0".to_owned(), text::bytes((most * 1.1) as u64)]),
        );
        frame.render_widget(chart, area);
    }

    fn draw_classes(&self, frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot) {
        let mut classes = snapshot.summary().classes;
        let by = match self.sort {
            Sort::Bytes => "bytes",
            Sort::Blocks => "blocks",
            Sort::Length => "length",
        };
        classes.sort_by_key(|class| std::cmp::Reverse(self.sort_key(class)));
        let rows = classes.iter().map(|class| {
            Row::new([
                class.slot_size.to_string(),
                class.slabs.to_string(),
                format!("{}/{}", class.live, class.slots),
                text::bytes(class.live_bytes),
            ])
        });
        let table = Table::new(rows, [Constraint::Fill(1); 4])
            .header(Row::new(["slot", "slabs", "live", "bytes"]))
            .block(Block::bordered().title(format!("size classes by {by}")));
        frame.render_widget(table, area);
    }

    fn sort_key(&self, class: &ClassSummary) -> u64 {
        match self.sort {
            Sort::Bytes => class.live_bytes,
            Sort::Blocks => class.live,
            Sort::Length => class.slot_size.into(),
        }
    }

    fn draw_output(&self, frame: &mut Frame<'_>, area: Rect) {
        let block = Block::bordered().title("output");
        let height = usize::from(block.inner(area).height);
        let lines = self.output.iter().chain([&self.part]);
        let lines: Vec<_> = lines
            .skip((self.output.len() + 1).saturating_sub(height))
            .map(|line| match line.starts_with("pageslab: ") {
                true => Line::styled(line.as_str(), Color::Red),
                false => Line::raw(line.as_str()),
            })
            .collect();
        frame.render_widget(Paragraph::new(lines).block(block), area);
    }

    fn draw_foot(&self, frame: &mut Frame<'_>, area: Rect) {
        let legend: Vec<_> = Cell::ALL
            .into_iter()
            .flat_map(|cell| {
                [
                    Span::styled("■", style(cell)),
                    format!("{} ", cell.name()).into(),
                ]
            })
            .collect();
        let keys = "q quit  space pause  s step  arrows page  z zoom  o order";
        frame.render_widget(Paragraph::new(vec![Line::from(legend), keys.into()]), area);
    }
}

/// Eight frames of a page that is seen alone.
fn zoomed_row(frames: &[Cell]) -> Line<'static> {
    let cells = frames.iter().map(|&cell| Span::styled("██ ", style(cell)));
    Line::from(cells.collect::<Vec<_>>())
}

fn style(cell: Cell) -> Style {
    Style::new().fg(match cell {
        Cell::Free => Color::DarkGray,
        Cell::Slab(1) => Color::Indexed(22),
        Cell::Slab(2) => Color::Indexed(28),
        Cell::Slab(3) => Color::Indexed(34),
        Cell::Slab(_) => Color::Indexed(46),
        Cell::Block => Color::Blue,
        Cell::Metadata => Color::Yellow,
        Cell::Held => Color::Magenta,
        Cell::Unknown => Color::Red,
        Cell::Foreign => Color::Gray,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pageslab::{MemoryController as _, PageSlab, ReservedMemory};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    /// The heap after a second: 300 blocks of 1000 bytes, and one of 200,000.
    fn sample() -> Sample {
        let mut heap = PageSlab::new(ReservedMemory::new(64));
        for _ in 0..300 {
            heap.alloc(1000).expect("there is memory");
        }
        heap.alloc(200_000).expect("there is memory");
        let mut bytes = vec![0; heap.snapshot(&mut []).expect("it is whole")];
        heap.snapshot(&mut bytes).expect("it is whole");
        Sample {
            time: Duration::from_secs(1),
            snapshot: Snapshot::decode(&bytes).expect("it is a snapshot"),
        }
    }

    fn view() -> View {
        let mut view = View::new("guest.wasm");
        view.take(Message::Sample(sample()));
        view
    }

    fn screen(view: &View) -> Terminal<TestBackend> {
        let mut terminal = Terminal::new(TestBackend::new(100, 30)).expect("it has a size");
        terminal
            .draw(|frame| view.draw(frame))
            .expect("it is drawn");
        terminal
    }

    fn text(view: &View) -> String {
        screen(view).backend().to_string()
    }

    #[test]
    fn the_view_shows_the_heap() {
        let view = view();
        let pages = pages(&sample().snapshot).len();
        let text = text(&view);
        for part in [
            "guest.wasm: runs",
            &format!("{pages} pages of 64 KiB"),
            "live 488 KiB, memory ",
            "size classes by bytes",
            "300/",
            "q quit  space pause",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        let map = text.matches('■').count() + text.matches('▣').count();
        assert_eq!(map, pages + Cell::ALL.len(), "{text}");
        assert_eq!(text.matches('▣').count(), 1);
    }

    #[test]
    fn a_page_has_the_colours_of_what_it_holds() {
        let mut view = view();
        let pages = pages(&sample().snapshot);
        let is_block = |page: &crate::map::Page| page.main() == Cell::Block;
        let block = pages.iter().position(is_block).expect("it has one");
        for _ in 0..block {
            view.key(KeyCode::Right);
        }
        view.key(KeyCode::Char('z'));
        let terminal = screen(&view);
        let buffer = terminal.backend().buffer();
        let title = format!("page {}, its frames", pages[block].number);
        assert!(text(&view).contains(&title));
        let frames = pages[block].frames;
        let cells = buffer.content().iter();
        let blue = cells.filter(|cell| cell.symbol() == "█" && cell.fg == Color::Blue);
        let count = frames.iter().filter(|&&cell| cell == Cell::Block).count();
        assert_eq!(blue.count(), 2 * count);
    }

    #[test]
    fn keys_do_what_the_foot_says() {
        let mut view = view();
        assert_eq!(view.key(KeyCode::Char(' ')), Some(Mode::Pause));
        assert!(text(&view).contains("guest.wasm: paused"));
        assert_eq!(view.key(KeyCode::Char('s')), Some(Mode::Step));
        assert!(text(&view).contains("guest.wasm: paused"));
        assert_eq!(view.key(KeyCode::Char(' ')), Some(Mode::Run));
        view.key(KeyCode::Char('o'));
        assert!(text(&view).contains("size classes by blocks"));
        view.key(KeyCode::Left);
        assert_eq!(view.selected, 0);
        for _ in 0..1000 {
            view.key(KeyCode::Right);
        }
        assert_eq!(view.selected + 1, pages(&sample().snapshot).len());
        assert_eq!(view.key(KeyCode::Char('q')), Some(Mode::Quit));
    }

    #[test]
    fn misuse_is_red_and_control_characters_are_gone() {
        let mut view = view();
        view.take(Message::Output(b"fine\x1b\npageslab: it is not\n".to_vec()));
        let terminal = screen(&view);
        assert_eq!(view.output, ["fine", "pageslab: it is not"]);
        let cells = terminal.backend().buffer().content().iter();
        let red: String = cells
            .filter(|cell| cell.fg == Color::Red && cell.symbol() != "■")
            .map(|cell| cell.symbol())
            .collect();
        assert_eq!(red, "pageslab: it is not");
    }

    #[test]
    fn any_terminal_is_large_enough() {
        for (width, height) in [(1, 1), (10, 3), (30, 8), (300, 100)] {
            let mut view = view();
            let backend = TestBackend::new(width, height);
            let mut terminal = Terminal::new(backend).expect("it has a size");
            for key in ['z', 'z', 'o'] {
                view.key(KeyCode::Char(key));
                terminal
                    .draw(|frame| view.draw(frame))
                    .expect("it is drawn");
            }
        }
    }

    #[test]
    fn a_long_run_keeps_its_chart_short() {
        let mut view = view();
        let sample = sample();
        for second in 1..=3000 {
            view.sample(Sample {
                time: Duration::from_secs(second),
                ..sample.clone()
            });
        }
        assert!(view.points.len() <= MAX_POINTS);
        assert_eq!(view.points.last().map(|point| point.0), Some(3000.0));
    }

    #[test]
    fn a_step_is_one_sample() {
        let gate = Gate(Arc::new((Mutex::new(Mode::Step), Condvar::new())));
        assert!(gate.pass().is_continue());
        let (lock, _) = &*gate.0;
        assert_eq!(*lock.lock().expect("nobody panicked"), Mode::Pause);
        gate.set(Mode::Quit);
        assert!(gate.pass().is_break());
    }
}
