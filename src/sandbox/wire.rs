//! Connections that can be made to end badly.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use super::faults::Faults;

/// Takes connections, except those that are to be refused.
#[derive(Debug)]
pub struct Listening {
    listener: TcpListener,
    faults: Faults,
    made: u64,
}

impl Listening {
    /// Connections are counted from now on.
    pub fn new(listener: TcpListener, faults: Faults) -> Self {
        Self { listener, faults, made: 0 }
    }
}

impl Listener for Listening {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            self.made += 1;
            if self.faults.refuses(self.made) {
                reset(&stream);
                continue;
            }
            let line = Line { number: self.made, end: Arc::default() };
            return (Wire { stream, line, sent: 0 }, address);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// What a handler holds of the connection that its request came by.
#[derive(Clone, Debug)]
pub struct Line {
    /// Connections are numbered from 1.
    pub number: u64,
    end: Arc<OnceLock<End>>,
}

/// How a connection ends in place of the next answer.
#[derive(Debug)]
enum End {
    Reset,
    /// After these bytes.
    Cut(Vec<u8>),
}

impl Line {
    /// Resets the connection in place of the answer.
    pub fn reset(&self) {
        // A connection that ends already ends as was said first.
        let _ = self.end.set(End::Reset);
    }

    /// Sends these bytes in place of the answer, and closes.
    pub fn cut(&self, bytes: Vec<u8>) {
        let _ = self.end.set(End::Cut(bytes));
    }
}

impl Connected<IncomingStream<'_, Listening>> for Line {
    fn connect_info(stream: IncomingStream<'_, Listening>) -> Self {
        stream.io().line.clone()
    }
}

/// Drops what the client has not read yet, and lets it know that something broke.
fn reset(stream: &TcpStream) {
    // Where the system cannot do that, the client sees an early end instead.
    let _ = stream.set_zero_linger();
}

/// A connection.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    line: Line,
    /// How much went out of what is sent in place of the answer.
    sent: usize,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        match this.line.end.get() {
            None => Pin::new(&mut this.stream).poll_write(cx, buffer),
            Some(End::Reset) => {
                reset(&this.stream);
                // The server drops a connection that it cannot write to.
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
            Some(End::Cut(bytes)) => {
                while this.sent < bytes.len() {
                    this.sent += ready!(Pin::new(&mut this.stream).poll_write(cx, &bytes[this.sent..]))?;
                }
                Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.line.end.get() {
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, buffers),
            Some(_) => self.poll_write(cx, &[]),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
