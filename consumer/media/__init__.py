"""The fallback media: a reminder's text comes in, an `Outcome` goes out, as for 1MSG.

`text_template.py` fills texts and links; `mail_message.py` builds an e-mail and `smtp.py` sends it;
`signed_webhook.py` builds, signs and sends a call to the company's own endpoint. Read `signed_webhook.py` first.
"""
