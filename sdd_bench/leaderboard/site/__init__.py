"""The leaderboard as static pages: they need no server, load nothing from elsewhere and work from a folder."""
