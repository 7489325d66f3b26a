"""The memory of a table.

Read `row_store.py` first: it holds the rows. `hash_index.py` finds the row of a key, `due_rows.py` those that are due,
`string_column.py` holds texts, `traces.py` trace contexts, and `growable_array.py` is the array under all of them.
"""
