from ..shared import hi
