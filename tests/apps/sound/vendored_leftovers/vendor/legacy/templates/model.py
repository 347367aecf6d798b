class {{ name }}:
    pass
