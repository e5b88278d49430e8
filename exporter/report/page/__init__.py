"""`report.html`: what was built and measured, on one page."""
