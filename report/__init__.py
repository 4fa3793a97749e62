"""Results of the conformance suite as pages that people read: Markdown, HTML, pictures."""
