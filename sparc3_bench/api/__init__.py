"""api: what a researcher calls from Python; each name is offered by `sparc3_bench` itself."""
