"""What each stage of a build does: functions of values. `exporter.pipeline.steps` calls them in their order.

What a stage needs is imported when it runs: a build whose results are all in the store waits for none of it.
"""
