//! A body cut into lines of bounded length.

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;

/// A frame of a proxy is a few hundred bytes; a refusal carries an error text.
const LONGEST_LINE: usize = 64 << 10;

/// Reads lines from a body.
pub struct Lines<B> {
    body: B,
    buffer: BytesMut,
}

/// The body is no sequence of lines any more.
#[derive(Debug, thiserror::Error)]
pub enum BrokenLines {
    #[error("a line is longer than {LONGEST_LINE} bytes")]
    TooLong,
    #[error("the stream broke: {0}")]
    Broken(String),
}

impl<B> Lines<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    pub fn new(body: B) -> Self {
        Self { body, buffer: BytesMut::new() }
    }

    /// The next line without its end; `None` when the body has ended.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BrokenLines> {
        let mut searched = 0;
        loop {
            if let Some(found) = self.buffer.iter().skip(searched).position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(searched + found).freeze();
                self.buffer.advance(1);
                return Ok(Some(line));
            }
            searched = self.buffer.len();
            if searched > LONGEST_LINE {
                return Err(BrokenLines::TooLong);
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(BrokenLines::Broken(error.to_string())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;

    async fn lines(chunks: Vec<Vec<u8>>) -> Result<Vec<String>, BrokenLines> {
        let frames = chunks.into_iter().map(|chunk| Ok::<_, std::io::Error>(Frame::data(Bytes::from(chunk))));
        let mut lines = Lines::new(StreamBody::new(stream::iter(frames)));
        let mut all = Vec::new();
        while let Some(line) = lines.next().await? {
            all.push(String::from_utf8_lossy(&line).into_owned());
        }
        Ok(all)
    }

    #[tokio::test]
    async fn lines_do_not_depend_on_how_bytes_were_cut() {
        let text = b"{\"a\":1}\n\n{\"b\":2}\nrest without an end";
        for size in 1..text.len() {
            let chunks = text.chunks(size).map(<[u8]>::to_vec).collect();
            assert_eq!(lines(chunks).await.unwrap(), ["{\"a\":1}", "", "{\"b\":2}"], "{size}");
        }
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut_off() {
        let endless = vec![vec![b'x'; 1000]; 1000];
        assert!(matches!(lines(endless).await, Err(BrokenLines::TooLong)));
    }
}
