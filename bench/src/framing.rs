//! HTTP/1.1 answers, as far as a load generator has to understand them. No IO.

/// The head of an answer.
#[derive(Debug, PartialEq)]
pub struct Head {
    /// Bytes up to and with the empty line.
    pub len: usize,
    pub status: u16,
    pub framing: Framing,
}

#[derive(Debug, PartialEq)]
pub enum Framing {
    Length(usize),
    Chunked,
}

/// `None` until the head is complete.
pub fn head(raw: &[u8]) -> Option<Result<Head, String>> {
    let len = raw.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    Some(parse_head(&raw[..len]).ok_or_else(|| format!("not understood: {}", raw[..len].escape_ascii())))
}

fn parse_head(raw: &[u8]) -> Option<Head> {
    let mut lines = std::str::from_utf8(raw).ok()?.lines();
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let framing = lines.filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        if name.eq_ignore_ascii_case("content-length") {
            value.trim().parse().ok().map(Framing::Length)
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            value.trim().eq_ignore_ascii_case("chunked").then_some(Framing::Chunked)
        } else {
            None
        }
    });
    Some(Head { len: raw.len(), status, framing: framing? })
}

/// Moves the complete chunks at `from` into `body`. Says how far it came, and whether the last chunk was there.
pub fn unchunk(raw: &[u8], mut from: usize, body: &mut Vec<u8>) -> Result<(usize, bool), String> {
    loop {
        let rest = &raw[from..];
        let Some(line) = rest.windows(2).position(|two| two == b"\r\n") else { return Ok((from, false)) };
        let size =
            std::str::from_utf8(&rest[..line]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let size = size.ok_or_else(|| format!("not a chunk size: {}", rest[..line].escape_ascii()))?;
        let data = line + 2;
        let Some(chunk) = rest.get(data..data + size + 2) else { return Ok((from, false)) };
        body.extend_from_slice(&chunk[..size]);
        from += data + size + 2;
        if size == 0 {
            return Ok((from, true));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_heads() {
        let raw = b"HTTP/1.1 200 OK\r\nContent-Type: x\r\nContent-Length: 12\r\n\r\nbody";
        let len = raw.len() - 4;
        assert_eq!(head(raw), Some(Ok(Head { len, status: 200, framing: Framing::Length(12) })));
        assert_eq!(head(&raw[..len - 1]), None);
        let raw = b"HTTP/1.1 503 x\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(head(raw), Some(Ok(Head { len: raw.len(), status: 503, framing: Framing::Chunked })));
        assert!(head(b"HTTP/1.1 200 OK\r\n\r\n").unwrap().is_err());
    }

    #[test]
    fn joins_chunks_wherever_reads_end() {
        let raw = b"4\r\nWiki\r\n5\r\npedia\r\n0\r\n\r\n";
        for cut in 0..raw.len() {
            let mut body = Vec::new();
            let (at, done) = unchunk(&raw[..cut], 0, &mut body).unwrap();
            assert!(!done, "{cut}");
            assert_eq!(unchunk(raw, at, &mut body), Ok((raw.len(), true)));
            assert_eq!(body, b"Wikipedia");
        }
        assert!(unchunk(b"x\r\n", 0, &mut Vec::new()).is_err());
    }
}
