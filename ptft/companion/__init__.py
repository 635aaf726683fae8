"""What the book and the tests lean on.

Its modules need what the book needs (`pip install "ptft[book]"`), so nothing is imported here.

- `equations`: where each numbered equation of the paper is
- `identities`: identities of the theory, each as a measured deviation
- `ledger`: what the papers claim, beside what was measured
- `plotting`: one look for all figures
- `symbolic`: proofs in sympy that fail where the algebra is wrong
"""
