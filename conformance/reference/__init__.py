"""The reference service: a sound cancel endpoint in small, and its deliberately broken variants.

It keeps the contract and knows nothing of the suite that judges it: nothing here imports from the rest of the package.
"""
