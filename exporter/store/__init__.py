"""Nothing is built twice: results of stages, kept under a digest of all that they come from.

Not which stages there are: that is `exporter.pipeline`.

`key` says what a result comes from, `sources` which of our modules and which packages made it, `place` keeps results
on disk, `stage` computes what is not there, `codec` makes files of them and back.
"""
