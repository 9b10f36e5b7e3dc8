"""A sample site to look at the product with: a database, its content, traffic on it, and a pair of nodes beside it.

It exists so that anyone can watch a pair at work without owning a contact centre. The rule it keeps: the site and its
traffic know nothing of the product. They make and change databases as the site's own programs would; the show uses
the product as an operator would, through its commands, its control socket and its log, and judges it from outside.
"""
