//! A guest's output: passed on, and looked at line by line.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use wasmtime_wasi::cli::{self, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// What misuse of the heap is reported with.
const MISUSE: &str = "pageslab: ";

/// The bytes of a line that are kept, and the lines about misuse: a guest can say more.
const MAX_LINE: usize = 1000;
const MAX_LINES: usize = 1000;

/// A guest's stdout or stderr. All clones are the same one.
#[derive(Clone)]
pub struct Output(Arc<Mutex<Lines>>);

struct Lines {
    is_terminal: bool,
    to: Box<dyn Write + Send>,
    line: Vec<u8>,
    misuse: Vec<String>,
}

impl Output {
    /// One whose bytes go there.
    pub fn to(to: impl Write + Send + 'static) -> Self {
        Self::new(to, false)
    }

    /// This program's stdout.
    pub fn stdout() -> Self {
        Self::new(io::stdout(), io::IsTerminal::is_terminal(&io::stdout()))
    }

    /// This program's stderr.
    pub fn stderr() -> Self {
        Self::new(io::stderr(), io::IsTerminal::is_terminal(&io::stderr()))
    }

    fn new(to: impl Write + Send + 'static, is_terminal: bool) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            is_terminal,
            to: Box::new(to),
            line: Vec::new(),
            misuse: Vec::new(),
        })))
    }

    /// The lines about misuse, without what they begin with.
    pub fn misuse(&self) -> Vec<String> {
        self.lock().misuse.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, bytes: &[u8]) -> io::Result<()> {
        let mut lines = self.lock();
        for &byte in bytes {
            if byte != b'\n' {
                if lines.line.len() < MAX_LINE {
                    lines.line.push(byte);
                }
                continue;
            }
            let line = std::mem::take(&mut lines.line);
            let text = line.strip_prefix(MISUSE.as_bytes());
            if let Some(text) = text.filter(|_| lines.misuse.len() < MAX_LINES) {
                let text = String::from_utf8_lossy(text).into_owned();
                lines.misuse.push(text);
            }
        }
        lines.to.write_all(bytes)?;
        lines.to.flush()
    }
}

impl cli::IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        self.lock().is_terminal
    }
}

impl StdoutStream for Output {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl OutputStream for Output {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.put(&bytes)
            .map_err(|error| StreamError::LastOperationFailed(error.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(65536)
    }
}

impl tokio::io::AsyncWrite for Output {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.put(bytes).map(|()| bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
