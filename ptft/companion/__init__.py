"""What the book and the tests lean on.

Some modules need what the chapters need (`pip install "ptft[chapters]"`), so nothing is imported
here.

- `equations`: where each numbered equation of the paper is
- `identities`: identities of the theory, each as a measured deviation
- `ledger`: what the papers claim, beside what was measured
- `plotting`: one look for all figures
- `results`: tables that take too long to compute in a chapter
- `symbolic`: proofs in sympy that fail where the algebra is wrong
"""
