"""What single values mean: dates, time zones, statuses and priorities, links, blanks."""
