_cache = {}
hits = 0
