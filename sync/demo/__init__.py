"""A sample site to look at the product with: a database, its content, and traffic on it.

It exists so that anyone can watch a pair at work without owning a contact centre. The rule it keeps: it knows
nothing of the product. It makes and changes databases as the site's own programs would, and never looks at what
becomes of it.
"""
