"""What a finished artifact is: its manifest, running it by what that says, verifying, publishing and signing it.

Not how one is made: that is `exporter.pipeline`.
"""
