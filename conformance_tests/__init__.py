"""A black-box suite that checks whether a server honours the v1beta1 contract.

It knows servers by ``proto/api.proto`` only. ``suggest check HOST:PORT --algorithm tpe`` and
``pytest conformance_tests --target HOST:PORT`` run it; README.md lists the checks.
"""
