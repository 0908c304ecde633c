//! What a collector is told about its jobs.

/// The settings of a collector.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The failed attempts at one tile after which its job fails.
    pub max_attempts: u32,
    /// Whether small pictures of a job are made.
    pub preview: Preview,
}

/// Whether the small pictures of a job are made: its mosaic and its thumbnail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preview {
    /// They are made.
    Painted,
    /// They are not made, since there is no page to show them.
    Omitted,
}
