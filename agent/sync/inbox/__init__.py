"""Files that other tools dropped on this computer: into the archive as pulled ones are.

    find     what there is below a path, and what of it is left alone, with the reason
    settle   whether a file is whole: nobody writes to it, and it has not changed for a while
    take     what becomes of a file, and that done: copied, proven the same, filed
    stay     a folder that is watched

`offhook import` does it at once, `offhook watch` with the folder that ``[inbox]`` names.
"""
