from typing import override


class Stage:
    @override
    def name(self):
        return "dev"
