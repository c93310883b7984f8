"""The portfolio: one scan for every kind of trigger, from one cheap screen per kind."""
