"""What is known about the person behind a user id or a phone.

In: contacts, refusals, reports and inbound messages. Out: whether, and as whom, a person may be written to. `person`
reads a contact; `identity` is the key of a phone in all its forms; `opt_outs` and `holds` keep what people and WhatsApp
said about a recipient, `likely_opt_outs` is for what an operator has to read; `erasure` deletes a person;
`contacts_barrier` holds sending back until the topic has been read lately. Read `person` and `opt_outs` first.
"""
