"""What every room may use and nothing else of ours is known to: errors, files, images, geometry, progress, limits.

Nothing here imports another room, or knows recipes, options or manifests.
"""
