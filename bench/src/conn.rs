//! A keep-alive connection of the load generator: blocking, one request at a time.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::call::Call;
use crate::framing::{Framing, head, unchunk};

/// Longer silence is a failure.
const SILENCE: Duration = Duration::from_secs(10);

pub struct Conn {
    addr: SocketAddr,
    /// Connected by the first request, and by the one after a failure.
    stream: Option<TcpStream>,
    raw: Vec<u8>,
    body: Vec<u8>,
    chunk: Box<[u8; 16 << 10]>,
}

/// When the answer came.
pub struct Timing {
    pub first_token: Instant,
    pub done: Instant,
}

impl Conn {
    pub fn new(addr: SocketAddr) -> Self {
        Self { addr, stream: None, raw: Vec::new(), body: Vec::new(), chunk: Box::new([0; 16 << 10]) }
    }

    /// Sends and reads the whole answer; `on_first_token` is called once, as soon as the first token is there.
    pub fn send(&mut self, call: &Call, on_first_token: impl FnMut()) -> Result<Timing, String> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.addr).map_err(|error| format!("connecting: {error}"))?,
        };
        stream.write_all(&call.bytes).map_err(|error| format!("sending: {error}"))?;
        let timing = self.receive(&mut stream, call, on_first_token)?;
        // Only after a good answer: what a failure leaves behind must not be read as the next answer.
        self.stream = Some(stream);
        Ok(timing)
    }

    fn receive(
        &mut self,
        stream: &mut TcpStream,
        call: &Call,
        mut on_first_token: impl FnMut(),
    ) -> Result<Timing, String> {
        self.raw.clear();
        self.body.clear();
        let head = loop {
            self.read(stream)?;
            if let Some(head) = head(&self.raw) {
                break head?;
            }
        };
        let mut at = head.len;
        let mut searched: usize = 0;
        let mut first_token = None;
        loop {
            let done = match head.framing {
                Framing::Length(length) => {
                    self.body.extend_from_slice(&self.raw[at..]);
                    at = self.raw.len();
                    self.body.len() >= length
                }
                Framing::Chunked => {
                    let (came_to, done) = unchunk(&self.raw, at, &mut self.body)?;
                    at = came_to;
                    done
                }
            };
            if first_token.is_none() && contains(&self.body[searched..], call.token) {
                first_token = Some(Instant::now());
                on_first_token();
            }
            searched = self.body.len().saturating_sub(call.token.len());
            if done {
                break;
            }
            self.read(stream)?;
        }
        let done = Instant::now();
        let tail = &self.body[self.body.len().saturating_sub(256)..];
        let good_end = call.end.is_none_or(|end| contains(tail, end));
        match first_token {
            Some(first_token) if head.status == 200 && good_end => Ok(Timing { first_token, done }),
            _ => Err(format!("status {}: {}", head.status, tail.escape_ascii())),
        }
    }

    fn read(&mut self, stream: &mut TcpStream) -> Result<(), String> {
        match stream.read(&mut self.chunk[..]) {
            Ok(0) => Err("the connection ended inside an answer".to_owned()),
            Ok(count) => {
                self.raw.extend_from_slice(&self.chunk[..count]);
                Ok(())
            }
            Err(error) => Err(format!("reading: {error}")),
        }
    }
}

fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&addr, SILENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    Ok(stream)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
