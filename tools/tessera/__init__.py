"""How Tessera, Civitas' own small text-to-image model, is made: scenes, VAE, U-Net with text encoder, export, figures.

Nothing here runs in the product; `README.md` beside this file lists the commands in their order.
"""
