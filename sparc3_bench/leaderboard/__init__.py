"""The leaderboard: result files in, one static page out. Never imports torch or a plugin."""
