# -*- coding: latin-1 -*-
GREETING = 'Grüße'
