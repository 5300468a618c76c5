"""A black-box suite: does any server, at any address, honour the v1beta1 contract?

It knows servers by ``proto/api.proto`` alone. ``suggest check HOST:PORT --algorithm tpe`` and
``pytest conformance_tests --target HOST:PORT`` run it; README.md lists what it checks.
"""
