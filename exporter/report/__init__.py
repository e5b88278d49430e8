"""What people look at: pages, charts, previews, the closing lines of a build, two artifacts side by side.

Metrics are read from manifests; nothing is measured here.
"""
