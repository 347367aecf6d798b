"""Requirements and resolutions, as values; and facts about requirements and locks that need no resolving."""
