HELLO = 'hello'
