"""Why two models part: each known cause is tried, and named when the error vanishes."""
