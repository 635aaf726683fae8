"""The same questions asked of a ResNet-18 on images (Section 6, Appendix D, Figs. 4 and 6-9).

Needs torch and torchvision (`pip install "ptft[vision]"`), so nothing is imported here. The
command line is `python -m ptft vision --help`.

- `data`: images with labels, from CIFAR-100, a folder, or drawn by `glyphs`
- `pictures`: picture files of any kind as bytes, and what a folder of them holds
- `glyphs`: the data set that needs no download
- `model`: ResNet-18 and the four multipliers kappa, c, gamma, d
- `training`: the published recipe; training that resumes
- `representation`: PR and ENSD, and the two ways to treat batch-norm statistics
- `plan`: what is pretrained and fine-tuned on what; the presets
- `experiment`: a plan carried out in a folder
- `hardware`: the device, its memory and its failures
- `forecast`: how fast and how long, before it starts
- `results`: tables and paired differences
- `crossed`: what networks times pairs say about others
- `command`: the command line
"""
