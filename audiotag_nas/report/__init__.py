"""Tables (text, Markdown, CSV) and plots (PNG, PDF, SVG) of results."""
