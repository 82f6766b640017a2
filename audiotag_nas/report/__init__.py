"""Results for people: tables (text, Markdown, CSV) and plots (PNG)."""
