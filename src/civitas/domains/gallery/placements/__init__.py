"""Places on people's pictures that others pay for: stickers over them, remixes below them (FEATURES C22).

It owns `placement_spaces` and `placements`. Invariants: an offer is held Buzz of one purchasable colour and nothing
else; what is captured of it lies in the placement's own escrow until it is settled or goes back; a placement is
answered once, under the lock of its row; a sticker is never baked into a file, and a remix is shown to nobody who
would not be shown it elsewhere.
"""
