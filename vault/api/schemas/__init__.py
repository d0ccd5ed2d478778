"""The shapes of what comes in and goes out (marshmallow), one file a resource; OpenAPI is made from them.

Unknown fields are refused.
"""
