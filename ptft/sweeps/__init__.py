"""Long work: experiments as data, sweeps that survive being killed, tables that say what made them.

Appendix E.2.6. Its modules need more than numpy and scipy (`pip install "ptft[experiments]"`), so
nothing is imported here.

- `experiments`: the paper's experiments, and sweeps over them
- `storage`: files that are whole or absent, folders that know what they hold
- `progress`: how far it is, on a terminal or in a log
- `provenance`: tables headed by what made them
"""
