"""What the book and the tests lean on.

Its modules need what the book needs (`pip install "ptft[book]"`), so nothing is imported here.

- `identities`: identities of the theory, each as a measured deviation
- `ledger`: what the papers claim, beside what was measured
- `plotting`: one look for all figures
"""
