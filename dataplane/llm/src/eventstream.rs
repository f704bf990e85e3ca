use crate::error::Broken;
use crate::framing::Frame;

#[derive(Debug)]
pub struct Parser {}

impl Parser {
    pub fn new(_limit: usize) -> Self {
        Self {}
    }

    pub fn push(&mut self, _bytes: &[u8]) {}

    pub fn next(&mut self) -> Result<Option<Frame>, Broken> {
        todo!()
    }
}
