from pydub import AudioSegment


def handler(event, context):
    return str(AudioSegment)
