"""The memory of a table: `row_store.py` holds the rows, `hash_index.py` finds the row of a key, `string_column.py` holds
texts, `growable_array.py` is the array under all of them. Read `row_store.py` first.
"""
