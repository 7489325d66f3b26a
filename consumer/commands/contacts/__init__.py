"""`lapse contacts import`: a CSV file comes in, records on the contacts topic go out, all of them or none.

`import_file.py` (read it first) is the command, `csv_file.py` reads rows, `validation.py` turns a row into what it says
or says why it cannot, `known_contacts.py` joins that with what the topic has; `scratch_database.py` keeps what is
known of each user meanwhile.
"""
