def handler(event, context):
    match event:
        case {'name': name}:
            return name
    return None
