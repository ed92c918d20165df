"""Many cells: finding studies, running what is missing, keeping what is finished."""
