"""CSV: dialect, header, and two readers that agree, a fast one and a strict one."""
