"""marshmallow schemas of requests and answers, one file for each resource. They also make the OpenAPI document.

Unknown fields are refused.
"""
